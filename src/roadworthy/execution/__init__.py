"""The one road to change: `run.py` takes an action down it; the others settle, reconcile, recover and wait."""
