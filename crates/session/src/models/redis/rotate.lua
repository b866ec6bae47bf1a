-- One refresh: POST /internal/v1/sessions/rotate. The rules are those of `Session::rotate`.
local refused = open_store()
if refused then
  return refused
end
local s = load(a.session_id)
if not alive(s) or s.user_id ~= a.user_id or s.nonce_hash ~= a.nonce_hash then
  return { 'closed' }
end
if s.epoch ~= a.epoch then
  return { 'epoch-too-old' }
end
local refusal = below_minimums()
if refusal then
  return { refusal }
end

local behind = s.counter - a.counter
if behind < 0 then
  close(s, 'session_closed', 'counter_ahead')
  return { 'closed' }
end
local at = store_now()
-- As `Rotations`: each time is 13 digits and a comma. Replicas of the version before leave them as they were.
local led_to, rotated = (s.rotated or ''):match('^(%d+):(.*)$')
if tonumber(led_to) ~= s.counter then
  rotated = ''
end

local ip, user_agent = a.origin.ip or '', a.origin.user_agent or ''
local repeats, late, is_news, in_time = false, false, false, not a.privileged
-- Counters below the first were never given.
if behind > 0 and a.counter >= FIRST_COUNTER then
  local time = tonumber(rotated:sub(14 * behind - 13, 14 * behind - 1))
  if not time and behind == 1 then
    time = s.last_seen_at
  end
  repeats = time ~= nil and at < time + REPEAT_WINDOW
  in_time = in_time or (time ~= nil and at < time + LOST_ANSWER_WINDOW)
end
if behind > 0 and not repeats then
  -- As `LateRepetitions` and `family`.
  local function family(agent)
    return (agent:gsub('[%d%._]', ''))
  end
  local source, at_counter, count = ip .. ' ' .. user_agent, s.late_counter or 0, s.late_count or 0
  late = behind == 1 and a.counter >= FIRST_COUNTER and in_time and family(user_agent) == family(s.user_agent)
  if late and at_counter == s.counter then
    is_news = s.late_source ~= source
  elseif late then
    late = not (count > 0 and at_counter == s.counter - 1) and count < MOST_LATE
    is_news = true
    count = count + 1
  end
  if not late then
    close(s, 'refresh_token_reused', 'reused')
    return { 'closed' }
  end
  local makeable = false
  for _, id in ipairs(a.key_ids) do
    makeable = makeable or id == s.key_id
  end
  if not makeable then
    return { 'closed' }
  end
  s.late_counter, s.late_count, s.late_source = s.counter, count, source
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

local authenticated_at = s.authenticated_at
if a.reauthenticated then
  s.authenticated_at = math.max(s.authenticated_at, a.now)
  emit('user_reauthenticated', s)
end
-- Never ahead of this clock, also where an earlier version wrote so.
s.authenticated_at = math.min(s.authenticated_at, at)
if repeats then
  local elsewhere = s.ip ~= ip or s.user_agent ~= user_agent
  if elsewhere then
    emit('refresh_token_replayed', s)
  end
  if emitted > 0 or s.authenticated_at ~= authenticated_at then
    redis.call('HSET', session_key(s.id), 'event_seq', int(s.event_seq), 'authenticated_at',
      int(s.authenticated_at))
  end
  return answer(emitted > 0 and 'told' or 'rotated', s)
end

if late then
  if is_news then
    emit('refresh_token_repeated_late', s, nil, 'before_ip', s.ip, 'before_agent', s.user_agent)
  end
else
  s.counter = s.counter + 1
  s.rotated = int(s.counter) .. ':' .. (string.format('%013.0f,', at) .. rotated):sub(1, 14 * ROTATIONS_KEPT)
  s.key_id = a.key_id
  s.last_seen_at = math.max(s.last_seen_at, a.now)
  s.idle = idle
  s.absolute = absolute
  s.ip = ip
  s.user_agent = user_agent
  s.expires_at = ends()
end
s.issued_at = a.now
s.access_expires_at = math.min(a.now + a.access_ttl * 1000, a.access_until or s.expires_at, s.expires_at)
s.latest_expiry = math.max(s.latest_expiry, s.access_expires_at)
remember_expiry(s.latest_expiry)
save(s)
-- What only the next rotation needs.
s.rotated = nil
return answer(emitted > 0 and 'told' or 'rotated', s)
