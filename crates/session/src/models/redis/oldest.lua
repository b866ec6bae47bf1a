-- When the oldest event that the destination does not have was made; nil if it has all.
if redis.call('EXISTS', outbox_key) == 0 then
  return nil
end
local after = nil
for _, info in ipairs(redis.call('XINFO', 'GROUPS', outbox_key)) do
  local group = {}
  for i = 1, #info, 2 do
    group[info[i]] = info[i + 1]
  end
  if group.name == a.destination then
    local first = redis.call('XPENDING', outbox_key, a.destination, '-', '+', 1)[1]
    after = first and first[1] or '(' .. group['last-delivered-id']
  end
end
local entry = redis.call('XRANGE', outbox_key, after or '-', '+', 'COUNT', 1)[1]
if not entry then
  return nil
end
for i = 1, #entry[2], 2 do
  if entry[2][i] == 'at' then
    return entry[2][i + 1]
  end
end
return nil
