"""Human in the loop: what one role is asked, the sensor that waits for its answer, and what the answer decides."""
