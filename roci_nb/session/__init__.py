"""What is in force in this kernel; no screen."""
