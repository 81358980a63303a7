"""What runs Loppestars on Kubernetes besides the charts: a cluster of one's own, development services, samples."""
