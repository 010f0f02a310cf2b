"""REST and the live event channel; asks by messages, and touches no object of the SIP plane."""
