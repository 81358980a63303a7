"""What a stack may not ask for by default: changes of the minimal sample's spec, each refused for one reason."""

from typing import Any

S3 = {"originalsBucket": "a-a", "processedBucket": "b-b", "credentialsSecretRef": {"name": "any"}}
ISSUER = {"clientIds": ["web"], "clientSecretRef": {"name": "any"}, "issuer": "https://evil.example.com"}
VAULT = {"bucket": "backups", "credentialsSecretRef": {"name": "any"}}
REFUSED: dict[str, dict[str, Any]] = {
    "registry": {"image": {"registry": "ghcr.io/loppestars-evil"}},
    "image": {"api": {"image": "docker.io/evil/api:1"}},
    "pod annotation": {"api": {"pod": {"annotations": {"container.apparmor.security.beta.kubernetes.io/api": "x"}}}},
    "pod label that a Service selects": {"imaging": {"pod": {"labels": {"app": "payments"}}}},
    "priority class": {"api": {"pod": {"priorityClassName": "system-node-critical"}}},
    "control plane": {"api": {"pod": {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}}},
    "every taint": {"api": {"pod": {"tolerations": [{"operator": "Exists"}]}}},
    "loader": {"api": {"pod": {"env": [{"name": "LD_PRELOAD", "value": "/x"}]}}},
    "interpreter": {"jobs": {"pod": {"env": [{"name": "PYTHONPATH", "value": "/x"}]}}},
    "roles claim": {"api": {"pod": {"env": [{"name": "JWT_TRUST_ROLES_CLAIM", "value": "true"}]}}},
    "proxy": {"crawler": {"pod": {"env": [{"name": "HTTPS_PROXY", "value": "http://evil"}]}}},
    "snippet": {"ingress": {"host": "a.b", "annotations": {"nginx.ingress.kubernetes.io/server-snippet": "x"}}},
    "foreign endpoint": {"storage": {"s3": S3 | {"endpoint": "https://evil.example.com"}}},
    "metadata service": {"auth": {"jwksUrl": "http://169.254.169.254/latest"}},
    "metadata by name": {"auth": {"jwksUrl": "http://metadata.google.internal/x"}},
    "private address": {"auth": {"jwksUrl": "http://10.0.0.5/keys"}},
    "foreign vault": {"backup": {"s3": VAULT | {"endpoint": "https://evil.example.com"}}},
    "image of backups": {"backup": {"s3": VAULT, "image": "docker.io/evil/backup:1"}},
    "foreign issuer": {"auth": {"signInSecretRef": {"name": "keys"}, "providers": {"oidc": ISSUER}}},
    "open engine": {"imaging": {"engine": {"sandbox": "off"}}},
    "open network": {"networkPolicy": {"enabled": False}},
    "metadata service by network": {"networkPolicy": {"outside": {"cidrs": ["169.254.169.254/32"]}}},
    "metadata service by egress": {"networkPolicy": {"egress": [{"cidrs": ["fd00:ec2::/64"]}]}},
    "cloud role": {"api": {"serviceAccount": {"annotations": {"anything.example.com/role": "x"}}}},
}
