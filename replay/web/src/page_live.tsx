// The observer's page.

import { useState } from 'preact/hooks';
import { count } from './format';
import { LiveSound, LiveState, ObserveBody, observerKeys, TaskState, useWatching } from './observe';
import { NameField, rememberedName, TopBar } from './parts';
import { News } from './reach';

export function LivePage({ token }: { token: string }) {
  const [name, setName] = useState(rememberedName('observer'));
  const watching = useWatching(token, name);
  const observers = watching.driver.status?.observers ?? 0;
  return (
    <div class="page">
      <TopBar help={observerKeys(watching)}>
        <h1 class="hidden">Live session</h1>
        <LiveState driver={watching.driver} player={watching.player} />
        <TaskState driver={watching.driver} />
        <LiveSound driver={watching.driver} />
        <span class="spring" />
        <span class="watchers">{observers > 0 && count(observers, 'watching', 'watching')}</span>
        <NameField
          label="You"
          value={name}
          onChange={(value) => {
            setName(value);
            watching.driver.connection.rename(value);
          }}
        />
      </TopBar>
      <News driver={watching.driver} />
      <ObserveBody watching={watching} />
    </div>
  );
}
