"""What people and their tools look at: the terminal, JUnit, a GitHub summary, an HTML page, evidence files."""
