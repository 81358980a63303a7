"""The tools of every component: settings, logging, metrics and time. It knows nothing of the product."""
