"""The durable shell: wait, ask the domain, do what it says."""
