"""The calendar: which windows come, what they share their time with, what freezes touch. Pure."""
