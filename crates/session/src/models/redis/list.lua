-- The living sessions of a user, newest first, each as its flat fields.
local refused = open_store()
if refused then
  return refused
end
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', user_key(a.user_id), 0, -1)) do
  local s = load(id)
  if alive(s) then
    found[#found + 1] = redis.call('HGETALL', session_key(id))
  end
end
return found
