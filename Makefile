# Every target brings the machine to what it needs first (.ci/bootstrap); nothing of it keeps running afterwards.
# Variables: PORT, DEMO_EXIT, DEMO_JSON (demo), SEED (crash, faults), ARGS (passed on to pytest or to the command),
# DEMO (manage: the port of a running demo, in which the command then takes part).

PYTHON := .venv/bin/python
SEED ?= 1
.DEFAULT_GOAL := help
.PHONY: help demo test bench crash faults fuzz matrix axe orders tampering gate manage bare-lab vault-lab tlog-lab deploy-lab clean ready ready-for-tests
MAKEFLAGS += --no-print-directory
# Whatever the shell says: without its bytecode every process that a test or the demo starts compiles the project again.
export PYTHONDONTWRITEBYTECODE :=

help:
	@echo "make demo      the whole system on this machine: servers, sample events, PDFs, Document Center"
	@echo "make test      every test, with real servers"
	@echo "make gate      style, types, imports, texts"
	@echo "make bench     the promised speeds, measured"
	@echo "make crash     the crash campaign (SEED=1)"
	@echo "make faults    every dependency failing in every way; goes on where it was broken off (SEED=1)"
	@echo "make matrix    every role at every route against its oracle, and a mutation of each right and resolver"
	@echo "make axe       every page of panel, links and sign-in at 360 px, light and dark, in both languages, asked by axe"
	@echo "make orders    every order in which the facts of a story can arrive; make test tells a few of each"
	@echo "make tampering what an owner of the database can do to the log by force, each forty times, found by a reader (SEED=1)"
	@echo "make fuzz      the API asked whatever its own description allows and forbids; takes long"
	@echo "make manage    any other command: make manage ARGS=help; on a running demo: make manage DEMO=8000 ARGS=..."
	@echo "make bare-lab  the first two on fresh Debian machines (as root, with debootstrap; takes long)"
	@echo "make vault-lab the vault's promises, also over Ceph's radosgw (needs Debian's ceph packages), liars and fifty kills"
	@echo "make tlog-lab  a log verified by an implementation of C2SP that is not ours (as root, with debootstrap)"
	@echo "make deploy-lab production built from docs/operations on hosts of its own, taken apart under load (as root, with debootstrap)"
	@echo "make clean     removes all that the above left: var/ and its folder under the system's temporary one"

ready:
	@AGAIN="make $(MAKECMDGOALS)" .ci/bootstrap

ready-for-tests:
	@AGAIN="make $(MAKECMDGOALS)" .ci/bootstrap chromium

demo: ready
	@$(PYTHON) manage.py demo $(ARGS)

# A worker more than there are cores (tests/conftest.py), each with servers of its own; for one test at a time:
# make test ARGS="-n 0 tests/..."
test: ready-for-tests
	@$(PYTHON) -m pytest -n auto --dist loadgroup --no-loadscope-reorder $(ARGS)

gate: ready
	@$(PYTHON) manage.py gate $(ARGS)

bench: ready
	@$(PYTHON) manage.py bench $(ARGS)

fuzz: ready
	@FUZZ=1 $(PYTHON) -m pytest tests/documents/test_openapi_fuzz.py tests/invariants/test_hostile_addresses.py $(ARGS)

crash: ready
	@$(PYTHON) manage.py crash_campaign --seed $(SEED) $(ARGS)

faults: ready
	@$(PYTHON) manage.py fault_campaign --seed $(SEED) $(ARGS)

matrix: ready
	@$(PYTHON) -m pytest tests/matrix/campaign.py $(ARGS)

axe: ready-for-tests
	@AXE=all $(PYTHON) -m pytest -n auto tests/pages $(ARGS)

orders: ready
	@ORDERS=all $(PYTHON) -m pytest -n auto --dist loadgroup tests/payouts $(ARGS)

tampering: ready
	@SEED=$(SEED) $(PYTHON) -m pytest -s tests/tampering/campaign.py $(ARGS)

manage: ready
	@$(PYTHON) manage.py $(ARGS)

vault-lab: ready
	@VAULT_LAB=1 $(PYTHON) -m pytest tests/documents/test_vault_contract.py tests/anomalies/test_vault_liars.py \
		tests/anomalies/test_vault_kills.py $(ARGS)

tlog-lab: ready
	@.ci/tlog-lab

deploy-lab: ready
	@.ci/deploy-lab

# Not `ready`: it shows what happens where nothing is.
bare-lab:
	@.ci/bare-lab

# Not `ready`: what was never installed left nothing but the folder.
clean:
	@if [ -x $(PYTHON) ] && [ -d var ]; then $(PYTHON) manage.py clean; else rm -rf var; fi
