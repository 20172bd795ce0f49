"""What any platform on this machine needs: real processes, routing, logs, databases, faults, a key at the door."""
