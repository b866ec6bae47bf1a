-- In front of every script. KEYS[1] is the namespace: every key hangs below it, so all are in one slot.
-- ARGV[1] is a JSON object. Times are milliseconds; the constants in capitals are put here by Rust.
local ns = KEYS[1]
local a = cjson.decode(ARGV[1])
local store_key = ns .. ':store'
local outbox_key = ns .. ':outbox'
local revocations_key = ns .. ':revocations'

-- Lua would write large numbers with an exponent.
local function int(n)
  return string.format('%.0f', n)
end

local function session_key(id)
  return ns .. ':session:' .. id
end

local function user_key(user_id)
  return ns .. ':user:' .. user_id
end

local function min_epoch_key(user_id)
  return ns .. ':min_epoch:' .. user_id
end

local function revoked_key_key(kid)
  return ns .. ':revoked_key:' .. kid
end

local NUMBERS = {
  'epoch', 'counter', 'created_at', 'authenticated_at', 'last_seen_at', 'issued_at', 'access_expires_at',
  'latest_expiry', 'expires_at', 'idle', 'absolute', 'event_seq', 'late_counter', 'late_count',
}

-- Now, by the clock of the server that does the operation. `a.clock` is the hand of a test; nothing else gives it.
local function store_now()
  if a.clock then
    return a.clock
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The session, with `user_id` nil where there is none; `closed` is set where there was one.
local function load(id)
  local flat = redis.call('HGETALL', session_key(id))
  local s = {}
  for i = 1, #flat, 2 do
    s[flat[i]] = flat[i + 1]
  end
  for _, field in ipairs(NUMBERS) do
    s[field] = tonumber(s[field])
  end
  return s
end

-- What the store knows beyond sessions. Each script that looks at sessions begins with `open_store()`, and
-- ends there where that refuses.
local st

-- A session of an earlier incarnation is dead: that is how a store is emptied in one step.
local function alive(s)
  return s.user_id and s.incarnation == st.incarnation and a.now < s.expires_at
end

-- Whether a session lives by this clock or can by auth's.
local function may_live(s)
  return s.user_id and s.incarnation == st.incarnation and a.now < s.expires_at + CLOCKS_APART
end

-- Keys live by the server's clock, sessions by auth's: only differences are taken from the latter.
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, int(ms))
  end
end

local function save(s)
  local flat = {}
  for field, value in pairs(s) do
    flat[#flat + 1] = field
    flat[#flat + 1] = type(value) == 'number' and int(value) or value
  end
  redis.call('HSET', session_key(s.id), unpack(flat))
  local ms = math.max(s.expires_at - a.now, 0) + LATE
  redis.call('PEXPIRE', session_key(s.id), int(ms))
  keep(user_key(s.user_id), ms)
end

-- What a script answers about a session it made or rotated.
local function answer(status, s)
  local flat = { status, st.incarnation }
  for field, value in pairs(s) do
    flat[#flat + 1] = field
    flat[#flat + 1] = type(value) == 'number' and int(value) or value
  end
  return flat
end

-- When an incarnation began: its id is a UUIDv7.
local function began(incarnation)
  return tonumber(incarnation:sub(1, 8) .. incarnation:sub(10, 13), 16) or 0
end

-- Whether the store is behind what was seen of it. As `Seen::is_beyond`.
local function gone_back()
  local seen = a.seen
  if not seen then
    return false
  elseif seen.incarnation ~= st.incarnation then
    return began(seen.incarnation) > began(st.incarnation)
  end
  return st.last_ms < seen.ms or (st.last_ms == seen.ms and st.last_seq < seen.seq)
end

-- How long ago a store that had gone back last began anew, by this store's key; nil if it never did. What lies ahead of
-- this clock is not waited for.
local function renewed_ago()
  local at = tonumber(redis.call('HGET', store_key, 'renewed_at') or nil)
  local ago = at and store_now() - at
  return ago and ago >= 0 and ago or nil
end

-- A store found empty begins anew; one found to have gone back does, unless the last one did a moment ago by this store's
-- key or by the caller's memory. Answers what to refuse with, or nil.
local function open_store()
  local found = redis.call('HMGET', store_key, 'incarnation', 'latest_expiry', 'absolute', 'last_ms', 'last_seq')
  st = {
    incarnation = found[1],
    latest_expiry = tonumber(found[2]) or 0,
    absolute = tonumber(found[3]) or DEFAULT_ABSOLUTE,
    last_ms = tonumber(found[4]) or 0,
    last_seq = tonumber(found[5]) or 0,
  }
  if st.incarnation then
    if not gone_back() then
      return nil
    end
    local ago = math.min(renewed_ago() or RENEW_EVERY, a.renewed_ago or RENEW_EVERY)
    if ago < RENEW_EVERY then
      return redis.error_reply('BEHIND the store has gone back again')
    end
    redis.call('HSET', store_key, 'renewed_at', int(store_now()))
  end
  st.incarnation, st.last_ms, st.last_seq = a.incarnation, 0, 0
  redis.call('HSET', store_key, 'incarnation', a.incarnation, 'last_ms', 0, 'last_seq', 0)
  redis.call('DEL', revocations_key)
  return nil
end

-- Rounded up to a minute, so that few rotations have to write it.
local function remember_expiry(expiry)
  if expiry > st.latest_expiry then
    redis.call('HSET', store_key, 'latest_expiry', int(math.ceil(expiry / 60000) * 60000))
  end
end

-- Whether a not-before of the user or of a role is above `pv`. The keys have the name by which the release before knows
-- them.
local function below_not_before()
  local keys = { ns .. ':mark:user:' .. a.user_id }
  for _, role in ipairs(a.roles) do
    keys[#keys + 1] = ns .. ':mark:role:' .. role
  end
  for _, min_pv in ipairs(redis.call('MGET', unpack(keys))) do
    if min_pv and a.pv < tonumber(min_pv) then
      return true
    end
  end
  return false
end

-- Why nothing of this epoch and policy version may be made or rotated; nil if it may.
local function below_minimums()
  local min_epoch = tonumber(redis.call('GET', min_epoch_key(a.user_id)) or nil)
  if min_epoch and a.epoch < min_epoch then
    return 'epoch-too-old'
  end
  return below_not_before() and 'policy-stale' or nil
end

local emitted = 0

-- An event about `s`. Ids after the first are the given one with a counter at its end (RFC 9562 6.2).
local function emit(kind, s, reason, ...)
  s.event_seq = s.event_seq + 1
  local id = a.event_id:sub(1, 32) .. string.format('%04x', emitted)
  emitted = emitted + 1
  local o = a.origin
  redis.call('XADD', outbox_key, '*', 'id', id, 'type', kind, 'session_id', s.id, 'user_id', s.user_id,
    'sequence', int(s.event_seq), 'at', int(a.now), 'reason', reason or '', 'origin', cjson.encode(o), ...)
end

-- Adds to the list verifiers follow, unless no token it concerns can be alive by any clock: neither the store's nor that of
-- the caller, each of which may be wrong. Entries that have passed are cut off the front on the way; those of keys, which
-- are few and stay for long, do not hold that up.
local function revoke(ends, ...)
  local now = math.min(store_now(), a.now)
  if ends + CLOCKS_APART <= now then
    return
  end
  for _, entry in ipairs(redis.call('XRANGE', revocations_key, '-', '+', 'COUNT', 32)) do
    if tonumber(entry[2][2]) + CLOCKS_APART <= now then
      redis.call('XDEL', revocations_key, entry[1])
    elseif entry[2][3] ~= 'key' then
      break
    end
  end
  local id = redis.call('XADD', revocations_key, '*', 'until', int(ends), ...)
  local ms, seq = id:match('^(%d+)-(%d+)$')
  redis.call('HSET', store_key, 'last_ms', ms, 'last_seq', seq)
end

-- Ends `s`. What remains of it refuses a late repetition of the request that made it.
local function close(s, kind, reason)
  emit(kind, s, reason)
  local ends = s.latest_expiry + TWICE_LEEWAY
  local key = session_key(s.id)
  redis.call('DEL', key)
  redis.call('HSET', key, 'closed', '1')
  redis.call('PEXPIRE', key, int(math.max(ends - a.now, LATE)))
  redis.call('ZREM', user_key(s.user_id), s.id)
  revoke(ends, 'session', s.id)
end
