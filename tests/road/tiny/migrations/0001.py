revision = "0001"
down_revision = None
safe_under = "expand"
code_first = True
