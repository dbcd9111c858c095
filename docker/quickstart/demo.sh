#!/usr/bin/env bash
# What Sealdock does, step by step, on this machine's Docker: `make run` builds the binary and starts this.
#
# Everything happens in a scratch directory and on loopback ports that the system picks; the values are made up here.
# Whatever way it ends, the broker, the listener, the containers, the image and the directory are gone afterwards.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sealdock-demo.XXXXXX")
image="sealdock-demo/busybox:${scratch##*.}"
background=()

# The user's own AWS set-up plays no part, and nothing here reaches further than this machine.
for name in $(compgen -e | grep '^AWS_\|^SEALDOCK_\|_proxy$\|_PROXY$' || true); do unset "$name"; done
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export AWS_PAGER='' AWS_DEFAULT_OUTPUT=text
export PATH="$root/target/release:$root/.venv/bin:$PATH"

# --- how it talks -----------------------------------------------------------------------------------------------------

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
number=0

step() {
    number=$((number + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$number" "$1" "$plain"
    shift
    for line in "$@"; do printf '   %s\n' "$line"; done
}

# The command as one would type it, then the command.
show() {
    local word text='$'
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./:=@%+,-]* | '') word="'${word//\'/\'\\\'\'}'" ;; esac
        text+=" $word"
    done
    printf '%s\n' "$text"
}
run() { show "$@"; "$@"; }

# As run, and the output is kept in a variable too.
capture() {
    local name=$1 output
    shift
    show "$@"
    output=$("$@")
    [ -z "$output" ] || printf '%s\n' "$output"
    printf -v "$name" '%s' "$output"
}

stop_with() { printf 'demo: %s\n' "$1" >&2; exit 1; }

# The demo is also a test: what a step printed has to hold what its text promises.
expect() {
    grep -qF -- "$2" <<<"$1" || stop_with "expected to see \`$2\` in: $1"
}
expect_not() {
    ! grep -qF -- "$2" <<<"$1" || stop_with "did not expect to see \`$2\` in: $1"
}

# Waits up to 15 seconds for a condition; then shows FILE, which says what went wrong.
wait_for() {
    local what=$1 file=$2
    shift 2
    for _ in $(seq 150); do
        if "$@"; then return; fi
        sleep 0.1
    done
    cat "$file" >&2
    stop_with "$what did not happen within 15 seconds"
}

# --- what it leaves behind: nothing -----------------------------------------------------------------------------------

containers() { docker ps --all --quiet --filter "ancestor=$image"; }

clean_up() {
    local status=$? left
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    for pid in "${background[@]}"; do kill "$pid" 2>/dev/null; done
    for pid in "${background[@]}"; do wait "$pid" 2>/dev/null; done
    left=$(containers)
    # shellcheck disable=SC2086 # one word per container
    [ -z "$left" ] || docker rm --force --volumes $left >/dev/null 2>&1
    docker image rm --force "$image" >/dev/null 2>&1
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Starts the task, and sets NAME_task and NAME_web to the task's id and the Docker id of its container `web`.
launch() {
    local name=$1 task
    show sealdock task run --detach shop.json
    sealdock task run --detach shop.json | tee launch.out
    task=$(tail -n 1 launch.out)
    [[ $task =~ ^[0-9a-f]{32}$ ]] || stop_with 'the launch did not say which task it started'
    printf -v "${name}_task" '%s' "$task"
    printf -v "${name}_web" '%s' "$(docker ps --quiet --filter "ancestor=$image" \
        --filter label=com.amazonaws.ecs.container-name=web)"
}

for tool in sealdock aws docker busybox python3; do
    command -v "$tool" >/dev/null || stop_with "there is no \`$tool\` here: \`make run\` sets up what is missing"
done
docker info >/dev/null 2>&1 || stop_with 'Docker does not answer; is it running, and may this user use it?'
cd "$scratch"

# An image with nothing but a shell in it, made from this machine's static busybox; no registry is asked.
mkdir -p image/bin
cp "$(command -v busybox)" image/bin/busybox
for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "image/bin/$applet"; done
tar -C image -c . | docker import --change 'ENV PATH=/bin' - "$image" >/dev/null

# --- the demo ---------------------------------------------------------------------------------------------------------

step 'A vault' \
    'Encrypted, and readable with its root key only. Policies are plain IAM JSON files beside it.'
show sealdock init --data vault --account 123456789012 --region us-east-1
sealdock init --data vault --account 123456789012 --region us-east-1 2>init.err || { cat init.err >&2; exit 1; }
cp "$here/policies.json" vault/policies/quickstart.json
run sealdock policy check vault/policies

step 'A broker' \
    'It speaks the API of AWS Secrets Manager and Parameter Store, over TLS and a Unix socket, on this machine only.'
show sealdock serve --data vault --tls 127.0.0.1:0
sealdock serve --data vault --tls 127.0.0.1:0 >serve.out 2>&1 &
background+=($!)
wait_for 'the start of the broker' serve.out grep -q '^listening on https://' serve.out
wait_for 'the start of the broker' serve.out test -S vault/sealdock.sock
grep '^listening on ' serve.out
AWS_ENDPOINT_URL=$(sed -n 's/^listening on \(https:[^ ]*\).*/\1/p' serve.out)
export AWS_ENDPOINT_URL AWS_CA_BUNDLE=$scratch/vault/tls/ca.pem

step 'An access key for the user `clerk`, who may write secrets but not read them' \
    'From here on, the stock AWS CLI talks to the broker as that user.'
show sealdock key create --socket vault/sealdock.sock --user clerk --format env
sealdock key create --socket vault/sealdock.sock --user clerk --format env >clerk.env
# shellcheck disable=SC1091 # made just now
set -a && source ./clerk.env && set +a
export AWS_DEFAULT_REGION=us-east-1
printf '$ export AWS_ENDPOINT_URL=%s AWS_CA_BUNDLE=vault/tls/ca.pem AWS_ACCESS_KEY_ID=%s ...\n' \
    "$AWS_ENDPOINT_URL" "${AWS_ACCESS_KEY_ID:?}"
export SEALDOCK_ENDPOINT=unix:$PWD/vault/sealdock.sock
printf '$ export SEALDOCK_ENDPOINT=%s\n' "$SEALDOCK_ENDPOINT"

step 'Secrets and parameters' \
    'A database login in JSON that has been changed once; a key, a logging token, settings; and the key of payroll.'
capture API_KEY_ARN aws secretsmanager create-secret --name shop/api-key --secret-string key-4711 --query ARN
capture database aws secretsmanager create-secret --name shop/database \
    --secret-string '{"user":"app","password":"spring"}' --query '[ARN,VersionId]'
read -r DATABASE_ARN FIRST_VERSION <<<"$database"
run aws secretsmanager put-secret-value --secret-id shop/database \
    --secret-string '{"user":"app","password":"summer"}' --query VersionStages
capture SPLUNK_TOKEN_ARN aws secretsmanager create-secret --name shop/splunk-token --secret-string splunk-0815 --query ARN
capture PAYROLL_ARN aws secretsmanager create-secret --name payroll/key --secret-string hands-off --query ARN
run aws ssm put-parameter --name /shop/log-level --type String --value info --query Version
run aws ssm put-parameter --name /shop/smtp-password --type SecureString --value pigeon --query Version

step 'A listener for logs' \
    'The second container logs through Docker'\''s splunk driver. This is its collector; it shows which token arrives.'
show docker/quickstart/hec.py
python3 "$here/hec.py" --port-file hec.port >hec.out 2>&1 &
background+=($!)
wait_for 'the start of the log listener' hec.out test -s hec.port
HEC_URL=http://127.0.0.1:$(cat hec.port)
printf 'listening on %s\n' "$HEC_URL"

# The files beside this script, with the names that are only known now.
for file in shop.json curious.json; do
    sed -e "s|@IMAGE@|$image|" -e "s|@HEC_URL@|$HEC_URL|" -e "s|@API_KEY_ARN@|$API_KEY_ARN|" \
        -e "s|@DATABASE_ARN@|$DATABASE_ARN|" -e "s|@FIRST_VERSION@|$FIRST_VERSION|" \
        -e "s|@SPLUNK_TOKEN_ARN@|$SPLUNK_TOKEN_ARN|" -e "s|@PAYROLL_ARN@|$PAYROLL_ARN|" "$here/$file" >"$file"
done

step 'A task definition, as registered with Amazon ECS' \
    'Its secrets are references: whole secret, JSON key, stage, version id, parameters; a log option too. Do they resolve?'
run sealdock task plan --resolve shop.json

step 'The launch' \
    'Read as the task'\''s execution role, all or nothing, and handed to the containers as they start.'
launch first
printed() { docker logs "$first_web" 2>&1 | grep '^SHOP_SMTP_PASSWORD' >/dev/null; }
wait_for 'the first output of the container' launch.out printed
capture seen docker logs "$first_web"
expect "$seen" SHOP_API_KEY=key-4711
expect "$seen" SHOP_DB_PASSWORD=summer
expect "$seen" SHOP_DB_PASSWORD_BEFORE=spring
expect "$seen" 'SHOP_DB_FIRST_VERSION={"user":"app","password":"spring"}'
expect "$seen" SHOP_LOG_LEVEL=info
expect "$seen" SHOP_SMTP_PASSWORD=pigeon

step 'The log option' \
    'What the collector got from the other container, and with which token.'
wait_for 'the arrival of a log line' hec.out grep -q 'token splunk-0815: event .*hello from the worker' hec.out
cat hec.out

step 'A rotation' \
    'The running container keeps what it was started with; the one that replaces it gets the new value.'
run aws secretsmanager put-secret-value --secret-id shop/database \
    --secret-string '{"user":"app","password":"autumn"}' --query VersionStages
inside=(sh -c 'tr "\0" "\n" </proc/1/environ | grep "^SHOP_DB_PASSWORD"')
capture old docker exec "$first_web" "${inside[@]}"
expect "$old" SHOP_DB_PASSWORD=summer
run sealdock task stop "$first_task"
launch second
capture new docker exec "$second_web" "${inside[@]}"
expect "$new" SHOP_DB_PASSWORD=autumn
expect "$new" SHOP_DB_PASSWORD_BEFORE=summer

step 'A reference too far' \
    'The execution role may read shop/*, and not payroll/*: a clear refusal, and not even the permitted half is started.'
before=$(containers | wc -l)
show sealdock task run --detach curious.json
if sealdock task run --detach curious.json 2>&1; then
    stop_with 'the launch should have been refused'
else
    status=$?
fi
started=$(($(containers | wc -l) - before))
printf 'exit status %d; containers started: %d\n' "$status" "$started"
[ "$started" = 0 ] || stop_with 'a container was left behind'

step 'The audit trail' \
    'Who was given what, when, and for which container, newest first. Every line was on disk before its answer was.'
run sealdock audit search --data vault --limit 1000
capture verdict sealdock audit verify --data vault
expect "$verdict" intact

step 'The end' \
    'Is any of the values in a file of the broker? The vault is sealed, and the audit log never has one.'
run sealdock task stop "$second_task"
values='spring|summer|autumn|pigeon|hands-off|key-4711|splunk-0815'
show grep -rE -D skip "$values" vault
if grep -rE -D skip "$values" vault; then stop_with 'a value stands in a file of the broker'; fi
printf 'none. The broker, the listener, the image and the scratch directory go away now.\n'
