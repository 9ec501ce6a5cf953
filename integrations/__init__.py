"""Other systems behind the ports of `activities`: Temporal, Jenkins, Azure Pipelines, SendGrid, HTTP."""
