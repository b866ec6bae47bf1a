-- One refresh: POST /internal/v1/sessions/step. The rules are those of `Session::step`.
open_store()
local s = load(a.session_id)
if not alive(s) or s.user_id ~= a.user_id or s.nonce_hash ~= a.nonce_hash then
  return { 'closed' }
end
if s.epoch ~= a.epoch then
  return { 'epoch-too-old' }
end
local fence = fenced()
if fence then
  return { fence }
end

local behind = s.counter - a.counter
local since = a.now - s.last_seen_at
local repeats = behind == 1 and since >= -CLOCK_SKEW and since < REPEAT_WINDOW
if behind < 0 then
  close(s, 'session_closed', 'counter_ahead')
  return { 'closed' }
end
if behind > 0 and not repeats then
  close(s, 'refresh_token_reused', 'reused')
  return { 'closed' }
end

local idle = math.min(s.idle, a.idle)
local absolute = math.min(s.absolute, a.absolute)
local function ends()
  return math.min(s.last_seen_at + idle * 1000, s.created_at + absolute * 1000)
end
if a.now >= ends() then
  close(s, 'session_closed', 'expired')
  return { 'closed' }
end

local ip, user_agent = a.origin.ip or '', a.origin.user_agent or ''
local elsewhere = s.ip ~= ip or s.user_agent ~= user_agent
if a.reauthenticated then
  s.authenticated_at = math.max(s.authenticated_at, a.now)
  emit('user_reauthenticated', s)
end
if repeats then
  if elsewhere then
    emit('refresh_token_replayed', s)
  end
  if elsewhere or a.reauthenticated then
    redis.call('HSET', session_key(s.id), 'event_seq', int(s.event_seq), 'authenticated_at',
      int(s.authenticated_at))
  end
  return answer(emitted > 0 and 'told' or 'stepped', s)
end

s.counter = s.counter + 1
s.key_id = a.key_id
s.last_seen_at = math.max(s.last_seen_at, a.now)
s.idle = idle
s.absolute = absolute
s.ip = ip
s.user_agent = user_agent
s.expires_at = ends()
s.issued_at = a.now
s.access_expires_at = math.min(a.now + a.access_ttl * 1000, a.access_until or s.expires_at, s.expires_at)
s.latest_expiry = math.max(s.latest_expiry, s.access_expires_at)
remember_expiry(s.latest_expiry)
save(s)
return answer(emitted > 0 and 'told' or 'stepped', s)
