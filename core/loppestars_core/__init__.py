"""What at least two components need: settings, logs, metrics, data, storage, queue."""
