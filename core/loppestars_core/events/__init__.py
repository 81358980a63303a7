"""What happened: domain events and the audit log, written in the transaction of the change itself."""
