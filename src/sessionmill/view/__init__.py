"""What people see; reads only."""
