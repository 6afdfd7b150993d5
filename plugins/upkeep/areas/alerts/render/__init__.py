"""A message as its channel shows it: mail, Slack, plain text, an SMS. Pure."""
