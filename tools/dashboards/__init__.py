"""Pictures of the chart's dashboards, as Prometheus answers their queries: docs/pictures/dashboard-*.svg."""
