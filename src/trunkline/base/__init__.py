"""What every layer may use: errors, clock and timers, identifiers, stories, messages between planes."""
