"""What runs on a deployment machine: leases, the detached step runner, workspaces, the log shipper, capabilities."""
