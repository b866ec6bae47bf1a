-- The living session of an id, as its flat fields.
local refused = open_store()
if refused then
  return refused
end
if not alive(load(a.session_id)) then
  return {}
end
return redis.call('HGETALL', session_key(a.session_id))
