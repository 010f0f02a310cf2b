"""Mobile apps whose system has put them to sleep: accounts, devices, and the one way of a call to them."""
