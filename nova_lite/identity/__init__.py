"""Who may do what: users, projects, tokens, policy."""
