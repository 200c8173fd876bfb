# The only list of commands. Run them by ./justw, which sets everything up first.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments := true

export PATH := justfile_directory() / ".venv/bin" + ":" + env("PATH")
bin := justfile_directory() / ".venv/bin"

# An appliance that compiles itself anew takes twice as long to start, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

[private]
default:
    @{{ just_executable() }} --list --unsorted

# --- use ---------------------------------------------------------------------------------------------------------

[doc("Start the appliance on the emulated board; ARGS go to `farhand run`")]
[group("use")]
run *ARGS: console
    @mkdir -p .run/config .run/state
    @[ -e .run/config/override.yaml ] || cp docs/examples/demo.yaml .run/config/override.yaml
    @exec {{ bin }}/farhand run --board emulated --http 127.0.0.1:8080 --https 127.0.0.1:8443 \
        --config .run/config --state .run/state "$@"

[doc("Boot a small real guest in QEMU and use it through the public API alone")]
[group("use")]
demo-qemu: console
    {{ bin }}/pytest -q -s --no-header -m qemu hil/test_demo_qemu.py

# --- build -------------------------------------------------------------------------------------------------------

[doc("Build the web console if its sources changed")]
[group("build")]
console:
    @tools/build_console.sh

[doc("Build the wheel through an sdist, so that nothing stale gets in")]
[group("build")]
build: console
    rm -rf build dist
    {{ bin }}/python -m build --no-isolation

[doc("Make the keymaps again of the installed XKB layouts")]
[group("build")]
keymaps:
    PYTHONPATH=hil {{ bin }}/python -m tools.generate_keymaps

[doc("Build the SD-card image of BOARD: amd64 (quick), generic-arm64 or rpi4. Needs root")]
[group("build")]
image BOARD="generic-arm64": console
    image/build.sh "$1"

[doc("Build the image of BOARD twice, all anew the second time, and compare. Needs root")]
[group("check")]
image-reproducible BOARD="amd64": console
    image/reproducible.sh "$1"

[doc("Boot the built image of BOARD in QEMU and use it from outside. Needs root")]
[group("check")]
image-boot BOARD="generic-arm64":
    PYTHONPATH=. {{ bin }}/python -m image.boot_check "$1"

[doc("Walk what can be checked of the built image of BOARD without the board. Needs root")]
[group("check")]
image-check BOARD="rpi4":
    PYTHONPATH=. {{ bin }}/python -m image.checklist "$1"

[doc("Update the built generic-arm64 image in QEMU: refusals, a newer version, the ways back; or NAMES alone. Needs root")]
[group("check")]
image-update *NAMES:
    PYTHONPATH=. {{ bin }}/python -m image.update_check "$@"

[doc("Cut the power N times at random moments of updates in QEMU; --seed S repeats a run. Needs root")]
[group("check")]
image-power-cuts *N:
    PYTHONPATH=. {{ bin }}/python -m image.power_cuts "$@"

[doc("Compile the hash-pinned locks again")]
[group("build")]
lock:
    cd requirements && for name in runtime dev clients image; do \
        {{ bin }}/uv pip compile -q --python-version 3.13 --generate-hashes --no-header --no-annotate --universal \
            --no-emit-index-url "$name.in" -o "$name.txt"; done
    ! grep -n 'https\?://' requirements/*.txt

# --- check -------------------------------------------------------------------------------------------------------

[doc("Everything that must hold before a commit lands")]
[group("check")]
test: lint console
    {{ bin }}/coverage erase
    tools/side_by_side.sh "{{ just_executable() }} _test-modules" "{{ just_executable() }} _test-machines"
    {{ bin }}/coverage combine -q
    {{ bin }}/coverage report
    tools/check_wheel.sh

# One of the two halves of `test`, side by side: what runs within one process, and the browser.
_test-modules:
    cd api/console && npm run --silent check && npm run --silent format:check && npm test --silent
    {{ bin }}/coverage run -m pytest -q drivers firmware api tools image
    {{ bin }}/python -m tools.api_fuzz
    {{ bin }}/python -m tools.crash 6
    {{ bin }}/python -m tools.soak 2
    {{ bin }}/coverage run -m pytest -q -m browser hil

# The other half: the sanitizers and fuzzers, attacks, guests, other people's clients, and the rig's fast selection.
# A third part at the same time would keep two cores so busy that tests which wait for other processes fail.
_test-machines: sanitize
    {{ bin }}/python -m tools.fuzz --seconds 2
    {{ bin }}/python -m tools.siege 4
    {{ bin }}/coverage run -m pytest -q -m "not browser and not (qemu and slow)" board-tests hil
    PYTHONPATH=hil {{ bin }}/python -m rig run -q --coverage -m "not slow" hil/kernel board-tests

[doc("The fast tests of the drivers inside the rig, whose kernel plays the hardware; ARGS go to pytest")]
[group("check")]
rig *ARGS:
    PYTHONPATH=hil {{ bin }}/python -m rig run -q -m "not slow" "$@"

[doc("All of the rig: every test of the drivers, the board suite, the whole appliance from outside, the rig itself")]
[group("check")]
rig-all: console
    PYTHONPATH=hil {{ bin }}/python -m rig run -q hil/kernel board-tests
    {{ bin }}/pytest -q hil/test_rig_tooling.py hil/test_rig_appliance.py

[doc("Run every test of the fault matrix, on the host and in the rig, and write docs/reliability.md anew")]
[group("check")]
fault-matrix: console
    rm -rf .cache/faults
    # What fails is written into the table, and fails the recipe at its end.
    {{ bin }}/pytest -q -m fault --fault-results .cache/faults/host.jsonl || true
    PYTHONPATH=hil {{ bin }}/python -m rig run -q -m fault --fault-results .cache/faults/rig.jsonl || true
    {{ bin }}/python -m tools.fault_matrix .cache/faults/host.jsonl .cache/faults/rig.jsonl

[doc("A shell inside the rig, for people; Ctrl-] leaves")]
[group("check")]
rig-shell:
    PYTHONPATH=hil {{ bin }}/python -m rig shell

[doc("Schemathesis from the API's own description against a live appliance; ARGS go to it")]
[group("check")]
fuzz-api *ARGS:
    {{ bin }}/python -m tools.api_fuzz "$@"

[doc("Coverage-guided fuzzing of every parser, a minute for each; ARGS go to it, such as --seconds 600 edid")]
[group("check")]
fuzz *ARGS:
    {{ bin }}/python -m tools.fuzz "$@"

[doc("Mixed load for MINUTES, with restarts of drivers and cut connections; fails if anything grows")]
[group("check")]
soak *MINUTES: console
    {{ bin }}/python -m tools.soak "$@"

[doc("Attack an appliance in eight ways, each for SECONDS (10); fails if its owner notices more than slowness")]
[group("check")]
siege *SECONDS: console
    {{ bin }}/python -m tools.siege "$@"

[doc("testssl.sh on a live appliance; fails on a finding above LOW")]
[group("check")]
tls-check: console
    {{ bin }}/python -m tools.tls_check

[doc("Kill an appliance CYCLES times (500) while it is being changed; fails if anything acknowledged is lost")]
[group("check")]
crash *CYCLES: console
    {{ bin }}/python -m tools.crash "$@"

[doc("Only the quick tests: no guest, no browser, nothing slow")]
[group("check")]
quick *ARGS:
    {{ bin }}/pytest -q -m "not qemu and not browser and not slow" "$@"

[doc("DMTF's service validator against an appliance; its schema files are at ../shared/redfish-csdl")]
[group("check")]
redfish-validate:
    {{ bin }}/pytest -q -s --no-header hil/test_redfish_clients.py -k validator

[doc("Formatting, lints, types, import contracts")]
[group("check")]
lint:
    {{ bin }}/ruff format --check
    {{ bin }}/ruff check
    {{ bin }}/mypy
    {{ bin }}/mypy board-tests
    {{ bin }}/lint-imports

[doc("Format and fix what can be fixed")]
[group("check")]
format:
    {{ bin }}/ruff format
    {{ bin }}/ruff check --fix

[doc("The tests of the C extensions under AddressSanitizer and UBSan")]
[group("check")]
sanitize:
    tools/sanitize_jpeg.sh

[doc("Prometheus's own checker on the metrics of a live appliance")]
[group("check")]
promtool:
    tools/promtool.sh

# --- measure -----------------------------------------------------------------------------------------------------

[doc("How long presses of the front panel's buttons are, inside the rig")]
[group("measure")]
bench-atx:
    PYTHONPATH=hil {{ bin }}/python -m rig exec -- python3 -m tools.bench_atx_pulse

[doc("Transfers of images against dd on the same disk, and their memory; ARGS go to the benchmark")]
[group("measure")]
bench-msd *ARGS: console
    {{ bin }}/python -m tools.bench_msd "$@"

[doc("The video pipeline: encoding, clients, memory, and the reference streamer in the rig; ARGS go to it")]
[group("measure")]
bench-video *ARGS: console
    PYTHONPATH=hil {{ bin }}/python -m tools.bench_video "$@"

[doc("The web console: its size, its first picture, and how soon its events are reports at the target")]
[group("measure")]
bench-console: console
    PYTHONPATH=hil {{ bin }}/python -m tools.bench_console

[doc("Pictures of the console's views: those of the README into docs/images, the others into FOLDER, to look at")]
[group("measure")]
console-screenshots FOLDER=".run/screenshots": console
    {{ bin }}/python -m tools.console_screenshots "$1"

[doc("Requests, key latency, encoding, fan-out, start-up and memory, in one run")]
[group("measure")]
bench-core: console
    {{ bin }}/python -m tools.bench_core
