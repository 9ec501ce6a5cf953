"""A whole installation on one machine, and stand-ins for Jenkins, Azure DevOps and SendGrid to try it with."""
