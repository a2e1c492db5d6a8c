"""Rules and dashboard: each rule fires and resolves, each query has its series, each threshold is the rule's."""

import json
import pathlib
import re
import shutil
import subprocess
import unicodedata
from typing import Any

import pytest
import yaml
from django.test import Client, RequestFactory

from config import contracts
from documents import metrics
from documents.alerts import incidents
from documents.operations import health, runbooks
from tests import factories
from tests.services import observed

ROOT = observed.OPS.parent
UID, SLUG = contracts.DASHBOARD.rsplit("/", 2)[1:]  # of the customer's own address of the dashboard
COMPARED = re.compile(r"^(.*?) (>|==|<) ([\d.]+)(?:$| or )", re.DOTALL)


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((observed.OPS / "dashboard.json").read_text(encoding="utf-8"))
    return loaded


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((observed.OPS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def names(query: str) -> set[str]:
    return {f"{name}{colon}" for name, colon, _labels in observed.SELECTOR.findall(query)}


def test_every_rule_is_quiet_fires_and_resolves() -> None:
    promtool = shutil.which("promtool") or str(ROOT / "var" / "promtool")
    # Where .ci/bootstrap could not fetch it, it has said so and left a note.
    if pathlib.Path(promtool).exists() or not (ROOT / "var" / "promtool.absent").exists():
        ran = subprocess.run(
            [promtool, "test", "rules", "ops/alerts_test.yml"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    looks: dict[str, list[bool]] = {rule["alert"]: [] for rule in alerts()}
    for test in yaml.safe_load((observed.OPS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]:
        for look in test["alert_rule_test"]:
            looks[look["alertname"]].append(bool(look["exp_alerts"]))
    assert {name for name, states in looks.items() if states[:3] != [False, True, False]} == set()


def test_the_dashboard_is_the_customers() -> None:
    title = unicodedata.normalize("NFKD", dashboard()["title"]).encode("ascii", "ignore").decode().lower()
    assert re.sub(r"[^a-z0-9-]+", "-", title) == SLUG
    assert dashboard()["uid"] == UID
    assert {"country", "datasource"} <= {variable["name"] for variable in dashboard()["templating"]["list"]}
    assert sum("$country" in query for _place, query in observed.expressions()) >= 3
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert len(rows) == len(set(rows)) >= 6


def test_every_panel_has_a_unit_and_leads_to_a_runbook_that_is_there() -> None:
    wrong = []
    for panel in panels():
        links = [link["url"] for link in panel["links"]]
        for url in links:
            page, _, anchor = url.removeprefix("${service}/runbooks/").partition("/#")
            page = page.removesuffix("/")
            if page not in runbooks.pages() or (anchor and anchor not in runbooks.anchors(page=page)):
                wrong.append(url)
        if not links or not panel["fieldConfig"]["defaults"]["unit"]:
            wrong.append(panel["title"])
    assert wrong == []


def test_every_rule_leads_to_a_runbook_that_is_there() -> None:
    for rule in alerts():
        page, _, anchor = rule["annotations"]["runbook"].removeprefix("docs/runbooks/").partition("#")
        assert page.removesuffix(".md") in runbooks.pages(), rule["alert"]
        assert not anchor or anchor in runbooks.anchors(page=page.removesuffix(".md")), rule["alert"]


def test_every_rule_has_a_panel_whose_threshold_is_its_own() -> None:
    lacks = []
    for rule in alerts():
        compared = COMPARED.match(rule["expr"])
        assert compared, rule["alert"]
        query, sign, value = compared.groups()
        # Above 0 is from 1 on, in a chart of whole numbers; below 1 is 0.
        wanted = 1.0 if value == "0" else float(value)
        shown = [
            step["value"]
            for panel in panels()
            for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            if any(names(query) <= names(target["expr"]) for target in panel["targets"])
        ]
        if wanted not in shown:
            lacks.append((rule["alert"], sign, wanted, shown))
    assert lacks == []


@pytest.mark.django_db
def test_every_query_has_a_series_once_there_is_something_to_see() -> None:
    factories.document()
    incidents.open_alert(code="document_stuck", dedup_key="document:1")
    metrics.EVENTS.labels(type="PAYMENT_CAPTURED", status="processed").inc()
    metrics.DOCUMENT_ISSUED.labels(kind="PAYMENT_RECEIPT", country="ES").inc()
    metrics.EMISSION_SECONDS.labels(step="locked").observe(1)
    metrics.RENDER_SECONDS.labels(kind="PAYMENT_RECEIPT").observe(1)
    metrics.LINK_EVENTS.labels(event="opened").inc()
    Client().get("/healthz")
    page = health.metrics_page(RequestFactory().get("/metrics")).content.decode()
    lacks = [line for line in observed.missing(page=page) if "docs_vault_probe_age_s" not in line]
    assert lacks == []  # the vault of a test may never have been probed
