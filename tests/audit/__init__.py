"""The audit: lines as they come, places compared at the end."""
