"""Kubernetes operator: reconciles LoppestarsStack and Crawl resources."""
