"""What the components read, from the spec."""

import json
from typing import Any

import pytest

from loppestars_core.contract.variables import API_VARIABLES, BACKUP_VARIABLES, CRAWLER_VARIABLES, IMAGING_VARIABLES
from loppestars_operator.plan.resolving import database_of
from loppestars_operator.rendering import ClusterFacts, environment, render
from tests.factories.stacks import make_context, make_stack

STORAGE = {"s3": {"endpoint": "http://s3:7070"}}
SOURCE = {"name": "torvet", "type": "jsonld", "startUrls": ["https://torvet.example/"]}
PROVIDER = {"clientIds": ["web", "ios"], "clientSecretRef": {"name": "provider"}}
EVERYTHING = make_stack(
    database={"secretRef": {"name": "db"}, "directSecretRef": {"name": "db", "key": "direct"}},
    storage={
        "s3": {
            "endpoint": "http://s3:7070",
            "publicUrl": "https://photos.example.com",
            "credentialsSecretRef": {"name": "s3"},
        },
        "maxPhotoMib": 30,
    },
    auth={
        "jwtSecretRef": {"name": "jwt"},
        "jwksUrl": "https://auth.example.com/keys",
        "issuer": "https://auth.example.com",
        "audience": "app",
        "signInSecretRef": {"name": "keys"},
        "redirects": ["loppestars://auth/callback", "https://loppestars.example.com/"],
        "providers": {
            "google": PROVIDER,
            "facebook": PROVIDER,
            "apple": PROVIDER | {"teamId": "TEAM", "keyId": "KEY"},
            "oidc": PROVIDER | {"issuer": "https://login.example.com:8443"},
        },
        "erasureGraceDays": 14,
    },
    api={
        "trustedProxies": ["10.0.0.0/8"],
        "anonKeysSecretRef": {"name": "app"},
        "operatorTokenSecretRef": {"name": "app"},
    },
    contact={"privacy": "privacy@example.com", "security": "mailto:security@example.com"},
    notifications={
        "smtpSecretRef": {"name": "mail"},
        "mailFrom": "hello@example.com",
        "push": {
            "publicKey": "B" * 87,
            "privateKeySecretRef": {"name": "push"},
            "subject": "mailto:hello@example.com",
            "hosts": ["push.example.com"],
        },
    },
    imaging={
        "searchOrientations": "never",
        "maxPublishedSide": 1600,
        "engine": {"processes": 2, "memoryMib": 2048, "recycleMib": 900, "recyclePhotos": 9, "sandbox": "required"},
    },
    backup={
        "s3": {"bucket": "backups", "endpoint": "http://s3:7070", "credentialsSecretRef": {"name": "s3"}},
        "encryptionKeySecretRef": {"name": "key"},
    },
    crawler={
        "parallelism": 2,
        "maxSourceSeconds": 600,
        "sources": [SOURCE],
        "geocoding": {"provider": "geoapify", "apiKeySecretRef": {"name": "geo"}},
    },
)


ROLES = {
    "migrate": {"name": "owner"},
    "api": {"name": "api-role", "directKey": "direct"},
    "imaging": {"name": "imaging-role"},
    "crawler": {"name": "crawler-role"},
    "jobs": {"name": "jobs-role", "key": "uri"},
}


def plain(variables: list[dict[str, Any]]) -> dict[str, str]:
    """The values that are not in Secrets."""
    return {variable["name"]: variable["value"] for variable in variables if "value" in variable}


def references(variables: list[dict[str, Any]]) -> dict[str, str]:
    """The Secret and key of each value that is in one."""
    found = {v["name"]: v["valueFrom"]["secretKeyRef"] for v in variables if "valueFrom" in v}
    return {name: f"{reference['name']}/{reference['key']}" for name, reference in found.items()}


def limit(**changes: object) -> str:
    """The memory limit of imaging's container."""
    manifests = render(make_context(make_stack(**changes)))
    (worker,) = [m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["name"] == "fair-imaging"]
    memory: str = worker["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    return memory


def variables(component: str, **changes: object) -> dict[str, str]:
    """The plain values that a component's container is given."""
    manifests = render(make_context(make_stack(**changes)))
    for manifest in manifests:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template and template["metadata"]["labels"]["app.kubernetes.io/component"] == component:
            return {
                variable["name"]: variable["value"]
                for variable in template["spec"]["containers"][0]["env"]
                if "value" in variable
            }
    raise AssertionError(component)


class TestEnvironment:
    """What the components read, from the spec."""

    def test_reserved_variables_are_those_that_are_set(self) -> None:
        """The rule of the CRD names each of them and no other."""
        context = make_context(EVERYTHING)
        assert EVERYTHING.spec.backup
        found = {
            "api": (environment.api(context), API_VARIABLES),
            "imaging": (environment.imaging(context), IMAGING_VARIABLES),
            "crawler": (environment.crawler(context), CRAWLER_VARIABLES),
            "backup": (environment.backup(context, EVERYTHING.spec.backup), BACKUP_VARIABLES),
        }
        for component, (own, reserved) in found.items():
            names = {variable["name"] for variable in own} | (
                {"ORIGINALS_RETENTION"} if component == "imaging" else set()
            )
            assert names == set(reserved), component
            assert len(own) == len({variable["name"] for variable in own}), component

    def test_whole_numbers_and_words(self) -> None:
        """Each field arrives under the name that the program reads, in its unit."""
        found = plain(environment.imaging(make_context(EVERYTHING)))
        assert found["MAX_SIDE"] == "1600"
        assert found["MAX_BYTES"] == str(30 * 1024 * 1024)
        assert (found["ENGINE_MEMORY_MIB"], found["ENGINE_SANDBOX"]) == ("2048", "required")
        assert plain(environment.api(make_context(EVERYTHING)))["MAX_PHOTO_BYTES"] == found["MAX_BYTES"]

    def test_sign_in(self) -> None:
        """By whom, with which keys, and back to where."""
        variables = environment.api(make_context(EVERYTHING))
        found, secrets = plain(variables), references(variables)
        assert found["AUTH_REDIRECTS"] == "loppestars://auth/callback,https://loppestars.example.com/"
        assert found["AUTH_GOOGLE_CLIENT_ID"] == "web,ios"
        assert secrets["AUTH_SIGNING_KEYS"] == "keys/signingKeys"
        assert secrets["FACEBOOK_APP_SECRET"] == secrets["AUTH_FACEBOOK_CLIENT_SECRET"] == "provider/clientSecret"
        assert plain(environment.jobs(make_context(EVERYTHING)))["ERASURE_GRACE_DAYS"] == "14"
        assert not [name for name in references(environment.api(make_context())) if name.startswith("AUTH_")]

    def test_notifications(self) -> None:
        """Mail and push messages are the second worker's; the app is told the public key."""
        push = {"publicKey": "B" * 87, "privateKeySecretRef": {"name": "push"}, "subject": "mailto:a@example.com"}
        sent = {"smtpSecretRef": {"name": "mail"}, "mailFrom": "Loppestars <a@example.com>", "push": push}
        context = make_context(make_stack(notifications=sent))
        jobs = environment.jobs(context)
        assert references(jobs)["SMTP_URL"] == "mail/url"
        assert references(jobs)["VAPID_PRIVATE_KEY"] == "push/privateKey"
        assert plain(jobs)["MAIL_FROM"] == "Loppestars <a@example.com>"
        assert plain(environment.api(context))["VAPID_PUBLIC_KEY"] == "B" * 87
        assert "VAPID_PRIVATE_KEY" not in references(environment.api(context))

    def test_sources(self) -> None:
        """What the crawler does not know by a name: addresses, schedule, politeness, rank."""
        calendar = {
            "name": "bydel",
            "type": "ics",
            "startUrls": ["https://bydel.example/a.ics"],
            "schedule": "0 5 * * 1",
        }
        polite = {"name": "loppemarkeder", "politeness": {"delaySeconds": 3, "maxPages": 50}, "rank": 5}
        off = {"name": "torvet", "type": "microdata", "startUrls": ["https://torvet.example/"], "enabled": False}
        stack = make_stack(crawler={"sources": [{"name": "markedskalenderen"}, polite, calendar, off]})
        found = plain(environment.crawler(make_context(stack)))
        assert found["CRAWL_SOURCES"] == "markedskalenderen,loppemarkeder,bydel"
        assert json.loads(found["MORE_SOURCES"]) == [
            {"name": "loppemarkeder", "type": "loppemarkeder", "rank": 5, "delaySeconds": 3, "maxPages": 50},
            calendar,
            off,
        ]
        assert "MORE_SOURCES" not in plain(environment.crawler(make_context()))

    def test_memory_of_engines(self) -> None:
        """The pod's limit leaves room for all of them; what the spec sets itself stays."""
        engine = {"processes": 2, "memoryMib": 2048}
        assert limit(imaging={"engine": engine}) == "4608Mi"
        assert limit(imaging={"engine": engine, "resources": {"limits": {"memory": "6Gi"}}}) == "6Gi"
        assert limit() == "1536Mi"

    def test_size_of_photos_in_the_ingress(self) -> None:
        """One value of the spec; every controller's annotation follows it."""
        for size, allowed in (({}, "64m"), ({"maxPhotoMib": 100}, "114m")):
            (ingress,) = [m for m in render(make_context(make_stack(storage=STORAGE | size))) if m["kind"] == "Ingress"]
            annotations = ingress["metadata"]["annotations"]
            assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == allowed
            assert annotations["nginx.org/client-max-body-size"] == allowed

    @pytest.mark.parametrize("component", ["imaging", "sweep"])
    def test_search_of_orientations(self, component: str) -> None:
        """Only where the spec says it: pods of stacks that do not are left as they are."""
        assert "SEARCH_ORIENTATIONS" not in variables(component)
        assert variables(component, imaging={"searchOrientations": "always"})["SEARCH_ORIENTATIONS"] == "always"

    @pytest.mark.parametrize(
        ("gateway", "timeouts"),
        [
            ({}, {"request": "60s"}),
            ({"requestTimeout": "90s"}, {"request": "90s"}),
            ({"requestTimeout": ""}, None),
        ],
    )
    def test_gateway_waits_for_a_photo(self, gateway: dict[str, str], timeouts: dict[str, str] | None) -> None:
        """Longer than the API does; Envoy's own 15 seconds would cut off half of what the API waits for."""
        stack = make_stack(gateway={"parentRefs": [{"name": "public"}], **gateway})
        groups = ClusterFacts(frozenset({"gateway.networking.k8s.io"}))
        (route,) = [manifest for manifest in render(make_context(stack, groups)) if manifest["kind"] == "HTTPRoute"]
        assert route["spec"]["rules"][0].get("timeouts") == timeouts

    def test_public_url(self) -> None:
        """By the route, by its TLS, or as the spec says where neither knows."""
        assert variables("api")["PUBLIC_URL"] == "http://loppestars.example.com"
        secured = {"host": "a.example.com", "tls": {"secretName": "tls"}}
        assert variables("api", ingress=secured)["PUBLIC_URL"] == "https://a.example.com"
        assert variables("api", publicUrl="https://b.example.com/")["PUBLIC_URL"] == "https://b.example.com"


class TestRoles:
    """The database's roles: one Secret per component."""

    def test_own_url(self) -> None:
        """No component is given another's, nor the owner's."""
        context = make_context(make_stack(database={"secretRef": {"name": "db"}, "roles": ROLES}))
        urls = {
            "api": references(environment.api(context)),
            "imaging": references(environment.imaging(context)),
            "crawler": references(environment.crawler(context)),
            "jobs": references(environment.jobs(context)),
            "migrate": references(environment.migrate(context)),
        }
        assert {name: found["DATABASE_URL"] for name, found in urls.items()} == {
            "api": "api-role/url",
            "imaging": "imaging-role/url",
            "crawler": "crawler-role/url",
            "jobs": "jobs-role/uri",
            "migrate": "owner/url",
        }
        assert urls["api"]["DATABASE_DIRECT_URL"] == "api-role/direct"
        assert "DATABASE_DIRECT_URL" not in urls["imaging"]
        granted = {name: text for name, text in urls["migrate"].items() if name.endswith("_ROLE")}
        assert granted == {f"{name.upper()}_ROLE": urls[name]["DATABASE_URL"] for name in urls if name != "migrate"}

    def test_one_url_for_all(self) -> None:
        """As before; nothing is granted."""
        context = make_context()
        assert references(environment.migrate(context)) == {"DATABASE_URL": "loppestars-database/url"}
        assert references(environment.jobs(context))["DATABASE_URL"] == "loppestars-database/url"

    def test_new_role_is_migrated_first(self) -> None:
        """It has no grants before."""
        with_role = make_stack(database={"secretRef": {"name": "loppestars-database"}, "roles": {"api": ROLES["api"]}})
        assert database_of(with_role.spec) != database_of(make_stack().spec)

    def test_queue_depth(self) -> None:
        """KEDA counts jobs as imaging's role."""
        database = {"secretRef": {"name": "db"}, "roles": ROLES}
        stack = make_stack(database=database, imaging={"autoscaling": {"queueDepth": 5}})
        manifests = render(make_context(stack, ClusterFacts(frozenset({"keda.sh"}))))
        (found,) = [manifest for manifest in manifests if manifest["kind"] == "TriggerAuthentication"]
        assert found["spec"]["secretTargetRef"][0]["name"] == "imaging-role"
