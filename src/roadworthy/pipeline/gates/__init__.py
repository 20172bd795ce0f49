"""The gates of a promotion: each is computed from what is there, and none is declared."""
