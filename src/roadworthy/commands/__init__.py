"""What a task calls: questions, reports, and the small wrappers round an action. One file per command or group."""
