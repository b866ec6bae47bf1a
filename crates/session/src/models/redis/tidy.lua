-- Cuts off what every destination has: everything below the lowest id some group has not acknowledged.
if redis.call('EXISTS', outbox_key) == 0 then
  return 0
end

local function parts(id)
  local ms, seq = id:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local lowest_ms, lowest_seq
local function lower(ms, seq)
  if not lowest_ms or ms < lowest_ms or (ms == lowest_ms and seq < lowest_seq) then
    lowest_ms, lowest_seq = ms, seq
  end
end

local groups = {}
for _, info in ipairs(redis.call('XINFO', 'GROUPS', outbox_key)) do
  local group = {}
  for i = 1, #info, 2 do
    group[info[i]] = info[i + 1]
  end
  groups[group.name] = group
end
for _, destination in ipairs(a.destinations) do
  local group = groups[destination]
  if not group then
    return 0
  end
  local first = redis.call('XPENDING', outbox_key, destination, '-', '+', 1)[1]
  if first then
    lower(parts(first[1]))
  else
    local ms, seq = parts(group['last-delivered-id'])
    lower(ms, seq + 1)
  end
end
return redis.call('XTRIM', outbox_key, 'MINID', int(lowest_ms) .. '-' .. int(lowest_seq))
