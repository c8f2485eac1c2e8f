#!/bin/sh
# Starts Forecourt and deploys the sample application once it serves. $1: the environment's bin, $2: port, $3: data folder.
set -eu
bin=$1
port=$2
data=$3
export AWS_ENDPOINT_URL="http://localhost:$port"

# Said before anything is deployed: to a port that is taken, the sample would go to whoever has it.
findings=$("$bin/forecourt" doctor --port "$port" --data "$data") || {
    echo "$findings" >&2
    exit 1
}

deploy() {
    if "$bin/python" -m forecourt.cli.wait --endpoint-url "$AWS_ENDPOINT_URL" --pid $$; then
        "$bin/python" examples/petstore/deploy.py
    fi
}

deploy &
exec "$bin/forecourt" start --port "$port" --data "$data"
