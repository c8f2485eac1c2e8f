"""User pools and what is configured on them: clients, domains, groups, MFA, appearance, protection, imports."""
