"""A plan as data with a digest, and the form that shows it."""
