-- Makes a session: PUT /internal/v1/sessions/{session_id}.
local refused = open_store()
if refused then
  return refused
end
local refusal = below_minimums()
if refusal then
  return { refusal }
end
local s = load(a.session.id)
if alive(s) and s.user_id == a.user_id and s.nonce_hash == a.session.nonce_hash
    and s.counter == FIRST_COUNTER then
  return answer('again', s)
end
if s.user_id or s.closed then
  return { 'closed' }
end

s = a.session
-- A login does not lie ahead of this clock.
s.authenticated_at = math.min(s.authenticated_at, store_now())
s.incarnation = st.incarnation
remember_expiry(s.latest_expiry)
if s.absolute > st.absolute then
  redis.call('HSET', store_key, 'absolute', int(s.absolute))
end
redis.call('ZADD', user_key(s.user_id), int(s.created_at), s.id)
emit('user_logged_in', s)
save(s)

-- Expired ones first leave the count, then the oldest living ones go.
local excess = redis.call('ZCARD', user_key(s.user_id)) - MAX_LIVE
if excess > 0 then
  local living = {}
  for _, id in ipairs(redis.call('ZRANGE', user_key(s.user_id), 0, -1)) do
    local other = load(id)
    if alive(other) then
      living[#living + 1] = other
    else
      redis.call('ZREM', user_key(s.user_id), id)
    end
  end
  for i = 1, #living - MAX_LIVE do
    close(living[i], 'session_closed', 'too_many')
  end
end
return answer('made', s)
