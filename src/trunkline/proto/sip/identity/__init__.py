"""Who calls, who asks to stay unknown, and whom the call was meant for: the headers that say so."""
