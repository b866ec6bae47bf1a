#!/usr/bin/env bash
# Replaces one service of the running stack, without a failed request, by the image with this digest:
#
#   deploy/ec2/deploy.sh SERVICE IMAGE@sha256:DIGEST
#   deploy/ec2/deploy.sh recover
#
# It pulls the image, runs its migrations, starts it beside the old one, waits until it is ready, gives it the service's name,
# takes the name from the old one, watches the new one, and only then has the old one drain and stop. When anything of that
# fails, the old one has the name again, or still, and the new one is gone. SERVICE is a name of deploy/services, or `gateway`,
# which is started anew and is away for a second. `recover` sees to what a machine that was switched off has left half done;
# every deployment does so first.
#
# Deployments wait for each other. A service is refused while a service that it calls, one before it in deploy/services, has
# failed to take the same revision (label org.opencontainers.image.revision). What happened is one line of JSON, on standard
# output and in DEPLOY_STATE/deployments.jsonl.
# Ends with 0 if it is deployed, 1 if all is as before, 64 and 75 if nothing was begun (a wrong argument; no turn in time, or no
# engine), 70 if it could not be taken back: the next deployment, and `recover`, try again.
#
# Environment: DEPLOY_STATE (/var/lib/user-domain-deploy), LOCK_SECONDS (1800) to wait for other deployments, READY_SECONDS
# (60) until a container has to be ready, WATCH_SECONDS (6) in which it may not fail after it was given the name; what Compose
# reads. docs/deployment/ec2.md tells of all of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
state=${DEPLOY_STATE:-/var/lib/user-domain-deploy}
images=$state/images.env
# An engine keeps a name it was asked for two seconds at most (deploy/docker/gateway/upstreams.conf), less than WATCH_SECONDS.

fail() { # status, text
    echo "deploy: $2" >&2
    exit "$1"
}

compose() {
    local files=(--env-file "$images")
    if [ -e .env ]; then
        files=(--env-file .env "${files[@]}")
    fi
    docker compose "${files[@]}" "$@"
}

report() { # outcome, reason: nothing in it needs escaping
    local record='{"time":"%s","service":"%s","image":"%s","revision":"%s","previous":"%s","outcome":"%s","reason":"%s",'
    # shellcheck disable=SC2059 # the format is the one above
    printf -v record "$record\"seconds\":%d}" "$(date -u +%FT%TZ)" "$service" "$image" "$(revision)" "${previous:-}" "$1" "$2" \
        "$SECONDS"
    echo "$record" >>"$state/deployments.jsonl"
    # Whoever listened may have gone.
    (trap '' PIPE; echo "$record") 2>/dev/null || true
}

# Of the image that was pulled; a label that is no plain word is not one that the workflows write.
revision() {
    local label
    label=$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' "$image" 2>/dev/null) || return 0
    if [[ $label =~ ^[0-9A-Za-z._-]*$ ]]; then echo "$label"; fi
}

# A service that comes before this one, and whose last deployment was of the same revision and failed.
failed_callee() {
    local callee last own
    own=$(revision)
    case $own in "" | unknown) return ;; esac
    while read -r callee _; do
        case $callee in "$service") return ;; "" | "#"*) continue ;; esac
        last=$(grep "\"service\":\"$callee\"" "$state/deployments.jsonl" 2>/dev/null | tail -n 1) || true
        case $last in
            *'"outcome":"deployed"'*) ;;
            # One without a revision could not be pulled: nobody knows what it was.
            *"\"revision\":\"$own\""* | *'"revision":""'*) echo "$callee" ;;
        esac
    done <deploy/services
}

running() { compose ps --quiet "$1"; }
project() { compose config --format json | sed -n 's/^  "name": "\(.*\)",$/\1/p'; }
# Without those of `compose run`, which `compose ps --all` lists as well.
containers() {
    docker ps --quiet --no-trunc "$@" --filter "label=com.docker.compose.project=$project_name" \
        --filter "label=com.docker.compose.service=$service" --filter label=com.docker.compose.oneoff=False
}
others() { # those that are not of before
    local all each
    all=$(containers --all) || return
    for each in $all; do
        case " ${old[*]} " in *" $each "*) ;; *) echo "$each" ;; esac
    done
}

# Every network that it is on: an engine answers for a name from the first network on which it knows it.
networks_of() { # container
    docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "$1"
}

address_of() { # container, network: nothing if it does not run
    docker inspect --format "{{with index .NetworkSettings.Networks \"$2\"}}{{.IPAddress}}{{end}}" "$1"
}

# An address that the engine does not give to others by itself: of the subnet, and below its range.
free_address() { # network
    local subnet range used number last
    read -r subnet range < <(docker network inspect --format '{{with index .IPAM.Config 0}}{{.Subnet}} {{.IPRange}}{{end}}' "$1")
    used=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$project_name" | xargs docker inspect --format \
        "{{with index .NetworkSettings.Networks \"$1\"}}{{.IPAddress}} {{with .IPAMConfig}}{{.IPv4Address}}{{end}} {{end}}")
    number=${subnet##*.} last=${range##*.}
    # The first two are the bridge's and NGINX'.
    for ((number = ${number%/*} + 3; number < ${last%/*}; number++)); do
        if ! grep -qwF "${subnet%.*}.$number" <<<"$used"; then
            echo "${subnet%.*}.$number"
            return
        fi
    done
    return 1
}

# A container leaves a network and comes back with the same address, with or without the name: connections that are open then
# live on, because a lost packet is sent again.
rename_in() { # container, network, further arguments
    local address
    address=$(address_of "$1" "$2")
    if [ -z "$address" ]; then
        address=$(free_address "$2")
    fi
    docker network disconnect "$2" "$1" 2>/dev/null || true
    docker network connect --ip "$address" "${@:3}" "$2" "$1"
}

has_name() { # container, network
    docker inspect --format "{{with index .NetworkSettings.Networks \"$2\"}}{{range .Aliases}}{{println .}}{{end}}{{end}}" "$1" \
        | grep -qx "$service"
}

give_name() { # container
    local all each
    all=$(networks_of "$1")
    for each in $all; do
        has_name "$1" "$each" || rename_in "$1" "$each" --alias "$service"
    done
}

take_name() { # container
    local all each
    all=$(networks_of "$1")
    for each in $all; do
        if has_name "$1" "$each"; then
            rename_in "$1" "$each"
        fi
    done
}

is_ready() { docker exec "$1" service healthcheck --ready >/dev/null 2>&1; }

# Which of the images are good, for Compose.
remember() { # image
    local name=${service^^}_IMAGE
    { grep -v "^$name=" "$images" || true; echo "$name=$1"; } >"$images.new"
    sync "$images.new"
    mv "$images.new" "$images"
}

# What is half done is written down: the phase and the containers of before.
begin_phase() { # starting or stopping
    printf '%s\n' "$1" "$image" "${old[@]}" >"$state/$service.unfinished.new"
    sync "$state/$service.unfinished.new"
    mv "$state/$service.unfinished.new" "$state/$service.unfinished"
}

# If another has its address by now, it takes a free one: a container that does not run has no connections to keep.
start() { # container
    local all each alias
    if docker start "$1" >/dev/null; then
        return
    fi
    all=$(networks_of "$1")
    for each in $all; do
        alias=()
        if has_name "$1" "$each"; then
            alias=(--alias "$service")
        fi
        docker network disconnect "$each" "$1" || true
        docker network connect --ip "$(free_address "$each")" "${alias[@]}" "$each" "$1"
    done
    docker start "$1" >/dev/null
}

# The old containers have the name, and no other is left.
roll_back() {
    local each there others left=0
    if [ "$service" = gateway ]; then
        remember "${old[0]}"
        compose up --detach --wait --wait-timeout 120 --no-deps --no-build gateway >&2
        rm -f "$state/gateway.unfinished"
        return
    fi
    for each in "${old[@]}"; do
        there=$(docker ps --all --quiet --filter "id=$each")
        if [ -n "$there" ]; then
            start "$each"
            give_name "$each"
            left=1
        fi
    done
    others=$(others)
    for each in $others; do docker rm --force "$each" >/dev/null; done
    # Somebody has removed the old ones.
    [ $left = 1 ] || compose up --detach --no-deps --no-build --scale "$service=${#old[@]}" "$service" >&2
    rm -f "$state/$service.unfinished"
}

# The new ones have the name, and no old one is left.
finish() {
    local each there
    remember "$image"
    for each in "${old[@]}"; do
        there=$(docker ps --all --quiet --filter "id=$each")
        if [ -n "$there" ]; then
            docker stop --time 60 "$each" >/dev/null
            docker rm "$each" >/dev/null
        fi
    done
    rm -f "$state/$service.unfinished"
}

recover() {
    local file phase each others
    for file in "$state"/*.unfinished; do
        [ -e "$file" ] || continue
        service=$(basename "$file" .unfinished)
        mapfile -t old <"$file"
        [ ${#old[@]} -ge 3 ] || fail 70 "$file is torn: look which container has the name, and remove the file"
        phase=${old[0]} image=${old[1]}
        old=("${old[@]:2}")
        previous=
        if [ "$phase" = stopping ]; then
            # The containers of the image that proved good were started again with the machine.
            others=$(others)
            for each in $others; do
                start "$each"
                give_name "$each"
            done
            finish
            report deployed recovered
        else
            roll_back
            report rolled-back interrupted
        fi
    done
}

fetch() {
    docker pull --quiet "$image" >/dev/null || give_up "the image cannot be pulled"
    local callee
    callee=$(failed_callee)
    [ -z "$callee" ] || give_up "$(head -n 1 <<<"$callee") has failed to take this revision"
}

deploy() {
    mapfile -t old < <(running "$service")
    [ ${#old[@]} -gt 0 ] || give_up "no container of $service runs"
    previous=$(docker inspect --format '{{.Config.Image}}' "${old[0]}")
    fetch
    export "${service^^}_IMAGE=$image"
    if ! compose run --rm --no-deps --no-TTY "$service-migrate" </dev/null >&2; then
        give_up "the migrations failed"
    fi

    # What does not run would be taken for a new one.
    local new each
    new=$(others)
    for each in $new; do docker rm "$each" >/dev/null; done
    begin_phase starting
    compose up --no-start --no-deps --no-recreate --no-build --scale "$service=$((2 * ${#old[@]}))" "$service" >&2
    new=$(others)
    mapfile -t new <<<"$new"
    if [ ${#new[@]} != ${#old[@]} ] || [ -z "${new[0]}" ]; then
        give_up "it was not created"
    fi
    for each in "${new[@]}"; do
        take_name "$each"
        docker start "$each" >/dev/null
    done
    local end=$((SECONDS + ${READY_SECONDS:-60}))
    for each in "${new[@]}"; do
        until is_ready "$each"; do
            [ "$SECONDS" -lt "$end" ] || give_up "it does not become ready"
            sleep 0.5
        done
    done

    for each in "${new[@]}"; do give_name "$each"; done
    for each in "${old[@]}"; do take_name "$each"; done
    end=$((SECONDS + ${WATCH_SECONDS:-6}))
    while [ "$SECONDS" -lt "$end" ]; do
        for each in "${new[@]}"; do
            [ "$(docker inspect --format '{{.State.Running}} {{.RestartCount}}' "$each")" = "true 0" ] \
                || give_up "it ended after it was given the name"
        done
        sleep 0.5
    done
    for each in "${new[@]}"; do is_ready "$each" || give_up "it is not ready any more"; done
    # From here on it is finished, by this script or by the next.
    trap '' HUP INT TERM
    begin_phase stopping
    trap - EXIT
    finish
    tidy
    report deployed ""
}

# Of the images of this repository, the one that runs and the one before it are kept.
tidy() {
    local each
    for each in $(docker images --digests --format '{{.Repository}}@{{.Digest}}' "${image%@*}"); do
        case $each in "$image" | "$previous") ;; *) docker image rm "$each" >/dev/null 2>&1 || true ;; esac
    done
}

# NGINX has the published port and one address: there is no second one beside it.
deploy_gateway() {
    previous=$(docker inspect --format '{{.Config.Image}}' "$(running gateway)")
    old=("$previous")
    fetch
    begin_phase starting
    # Compose takes one without a health check for healthy.
    if ! GATEWAY_IMAGE=$image compose up --detach --wait --wait-timeout "${READY_SECONDS:-60}" --no-deps --no-build gateway >&2 \
        || [ "$(docker inspect --format '{{.State.Health.Status}}' "$(running gateway)")" != healthy ]; then
        give_up "it does not become ready"
    fi
    trap '' HUP INT TERM
    remember "$image"
    rm -f "$state/gateway.unfinished"
    trap - EXIT
    tidy
    report deployed ""
}

give_up() { # reason
    trap - EXIT
    trap '' HUP INT TERM # a second one would leave it half-way
    local each
    unset "${service^^}_IMAGE"
    if [ -e "$state/$service.unfinished" ]; then
        for each in $(compose ps --all --quiet "$service"); do
            case " ${old[*]} " in *" $each "*) ;; *) docker logs --tail 20 "$each" >&2 || true ;; esac
        done
        # In the background, because a function of a condition does not end at what fails in it.
        roll_back &
        if ! wait $!; then
            report half-done "$1"
            exit 70
        fi
        report rolled-back "$1"
    else
        report refused "$1"
    fi
    exit 1
}

service=${1:-} image=${2:-}
case $service in
    recover) [ $# = 1 ] || fail 64 "recover takes no argument" ;;
    gateway) ;;
    *)
        if ! [[ $service =~ ^[a-z][a-z0-9-]*$ ]] || ! grep -q "^$service " deploy/services; then
            fail 64 "\"$service\" is no service"
        fi
        ;;
esac
if [ "$service" != recover ] && ! [[ $# = 2 && $image =~ ^[a-z0-9.:-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$ ]]; then
    fail 64 "\"$image\" is not REGISTRY/NAME@sha256:DIGEST"
fi
mkdir -p "$state"
touch "$images"
# Whoever may deploy a service may not have it run another's image: what was good before says where its images come from.
known=$(sed -n "s/^${service^^}_IMAGE=\(.*\)@sha256:.*/\1/p" "$images")
if [ -n "$known" ] && [ "${image%@*}" != "$known" ]; then
    fail 64 "the images of $service come from $known"
fi
exec 9>"$state/lock"
flock --wait "${LOCK_SECONDS:-1800}" 9 || fail 75 "another deployment has not ended"
docker version >/dev/null 2>&1 || fail 75 "the engine does not answer"
project_name=$(project)
asked_service=$service asked_image=$image
recover
if [ "$asked_service" != recover ]; then
    service=$asked_service image=$asked_image SECONDS=0
    trap 'give_up interrupted' EXIT HUP INT TERM
    if [ "$service" = gateway ]; then deploy_gateway; else deploy; fi
    trap - EXIT HUP INT TERM
fi
