"""What a window is made of: findings and their levels, periods, texts, statistics. Pure."""
