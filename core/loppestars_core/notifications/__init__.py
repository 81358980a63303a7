"""What people are told: notifications, how they want them, and what is still to be sent."""
