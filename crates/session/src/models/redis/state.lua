-- Whether a token may still be accepted: GET /internal/v1/sessions/{id}/state.
local refused = open_store()
if refused then
  return refused
end
if redis.call('EXISTS', revoked_key_key(a.kid)) == 1 then
  return 'stale'
end
local s = redis.call('HMGET', session_key(a.session_id), 'user_id', 'expires_at', 'incarnation')
if s[1] ~= a.user_id or s[3] ~= st.incarnation or a.inc ~= st.incarnation or a.now >= tonumber(s[2]) then
  return 'closed'
end
return below_not_before() and 'stale' or 'good'
