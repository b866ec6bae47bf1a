-- Whether a token may still be accepted: GET /internal/v1/sessions/{id}/state.
local s = redis.call('HMGET', session_key(a.session_id), 'user_id', 'expires_at')
if s[1] ~= a.user_id or a.now >= tonumber(s[2]) then
  return 'closed'
end
if redis.call('HGET', store_key, 'incarnation') ~= a.inc then
  return 'closed'
end
return marked() and 'stale' or 'good'
