-- What became of claims. With `free_at` they are given back, to be claimed again from then on; without it
-- the destination has them, and what every destination has is deleted, also behind an entry that waits.
local group = a.destination
local leases_key = outbox_key .. ':leases:' .. group
if redis.call('EXISTS', outbox_key) == 0 then
  return 0
end

-- Whether another destination has the entry, too: its group has read that far, and does not wait for it to be delivered.
local read_to = {}
for _, info in ipairs(a.free_at and {} or redis.call('XINFO', 'GROUPS', outbox_key)) do
  local fields = {}
  for i = 1, #info, 2 do
    fields[info[i]] = info[i + 1]
  end
  read_to[fields.name] = fields['last-delivered-id']
end
local function parts(id)
  local ms, seq = id:match('^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function has(destination, id)
  if not read_to[destination] then
    return false
  end
  local ms, seq = parts(id)
  local read_ms, read_seq = parts(read_to[destination])
  local is_read = ms < read_ms or (ms == read_ms and seq <= read_seq)
  return is_read and #redis.call('XPENDING', outbox_key, destination, id, id, 1) == 0
end
local function all_have(id)
  for _, destination in ipairs(a.destinations) do
    if not has(destination, id) then
      return false
    end
  end
  return true
end

for _, claim in ipairs(a.claims) do
  if a.free_at then
    local lease = redis.call('HGET', leases_key, claim.id)
    local attempts, holder
    if lease then
      attempts, holder = lease:match('^%d+|(%d+)|(.*)$')
    end
    if holder == claim.lease then
      redis.call('HSET', leases_key, claim.id, int(a.free_at) .. '|' .. attempts .. '|')
    end
  else
    redis.call('XACK', outbox_key, group, claim.id)
    redis.call('HDEL', leases_key, claim.id)
    if all_have(claim.id) then
      redis.call('XDEL', outbox_key, claim.id)
    end
  end
end
return 1
