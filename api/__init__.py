"""The HTTP front end: starts workflows, delivers signals, reads tables; and the server-rendered console."""
