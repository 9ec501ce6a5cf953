"""The verbs a workflow may use: thin classes whose constructor takes ports. They import nothing heavy."""
