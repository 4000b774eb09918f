# A list of things to do, kept in a file that all workers share.  TODO names
# the file; it is /tmp/todo-UID.pstore unless set.

require "erb"
require "pstore"

FILE = ENV.fetch("TODO") { "/tmp/todo-#{Process.uid}.pstore" }

PAGE = ERB.new(<<~HTML, trim_mode: "<>")
  <!doctype html>
  <html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>To do</title>
  <style>
  body { max-width: 34em; margin: 2em auto; padding: 0 1em; font: 1em/1.5 sans-serif }
  li { margin: .3em 0 }
  form { display: inline }
  input { width: 70%; padding: .4em }
  button { padding: .4em .8em }
  </style>
  <h1>To do</h1>
  <ol>
  <% items.each do |id, text| %>
  <li><%= ERB::Util.h(text) %>
  <form method="post"><button name="done" value="<%= id %>">done</button></form>
  <% end %>
  </ol>
  <form method="post"><input name="text" maxlength="200" required autofocus>
  <button>add</button></form>
  </html>
HTML

def init(_)
  @store = PStore.new(FILE)
end

def run(s)
  if get_method(s) == "POST"
    change(s)
  else
    items = @store.transaction(true) { @store.fetch(:items, {}) }
    rwrite s, PAGE.result_with_hash(items: items)
  end
end

def change(s)
  text, done = get_form(s, "text"), get_form(s, "done")
  text = text&.scrub&.strip
  @store.transaction do
    items = @store.fetch(:items, {})
    items.delete(done.to_i) if done
    items[(items.keys.max || 0) + 1] = text[0, 200] if text && !text.empty? && items.size < 100
    @store[:items] = items
  end
  # Answered so, a reload of the page does not add again.
  set_status s, 303
  set_header s, "Location", get_path(s)
  rwrite s, "Done.\n"
end
