# Connections of the back-up and the restore, read from the URLs that the services have. A password is given to no program as
# an argument, where everybody on the machine could read it. To be sourced.

# text in which %xx stands for a byte
percent_decoded() {
    local escaped=${1//\\/\\\\}
    printf '%b' "${escaped//%/\\x}"
}

# URL -> the variables user, password, host, port, name and query; the port is empty if the URL has none
parse_url() {
    local rest=${1#*://} authority credentials=
    query=
    case $rest in
        *\?*) query=${rest#*\?} rest=${rest%%\?*} ;;
    esac
    authority=${rest%%/*}
    name=
    case $rest in
        */*) name=$(percent_decoded "${rest#*/}") ;;
    esac
    case $authority in
        *@*) credentials=${authority%@*} ;;
    esac
    user=$(percent_decoded "${credentials%%:*}")
    password=
    case $credentials in
        *:*) password=$(percent_decoded "${credentials#*:}") ;;
    esac
    host=${authority##*@}
    port=
    case $host in
        \[*\]:*) port=${host##*:} host=${host%:*} ;;
        \[*\]) ;;
        *:*) port=${host##*:} host=${host%%:*} ;;
    esac
    host=${host#\[}
    host=$(percent_decoded "${host%\]}")
}

# Appends the connection of a URL of PostgreSQL to the file PGSERVICEFILE, as service SERVICE of libpq.
# service, file with the URL
add_service() {
    local url user password host port name query pair
    url=$(<"$2")
    case $url in
        postgres://* | postgresql://*) ;;
        *)
            echo "$2 is not a URL of PostgreSQL" >&2
            return 78
            ;;
    esac
    parse_url "$url"
    {
        printf '[%s]\nhost=%s\nport=%s\nuser=%s\ndbname=%s\n' "$1" "$host" "${port:-5432}" "$user" "$name"
        if [ -n "$password" ]; then
            printf 'password=%s\n' "$password"
        fi
        local IFS='&'
        for pair in $query; do
            printf '%s=%s\n' "${pair%%=*}" "$(percent_decoded "${pair#*=}")"
        done
    } >>"$PGSERVICEFILE"
}

# Runs a command of redis-cli with the URL in a file.
# file with the URL, then the command
redis_of() {
    local url user password host port name query
    url=$(<"$1")
    shift
    parse_url "$url"
    local options=(-h "$host" -p "${port:-6379}" -n "${name:-0}")
    case $url in
        rediss://*) options+=(--tls --cacert "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}") ;;
    esac
    if [ -n "$user" ]; then
        options+=(--user "$user")
    fi
    REDISCLI_AUTH=$password redis-cli "${options[@]}" "$@"
}
