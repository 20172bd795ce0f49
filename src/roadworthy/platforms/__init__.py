"""The platforms that roadworthy deploys to: `base.py` says what each driver does, `drivers.py` names them."""
