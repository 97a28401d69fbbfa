// Whether the recorder can be reached, and what is known of it while it cannot.

import type { Connection } from './connection';

/** Why a link lets nobody in, and what to do; for people. */
export function refusal(connection: Connection): { title: string; text: string } {
  if (connection.revoked)
    return { title: 'This link was revoked', text: 'It lets nobody in any more. Ask the moderator for another one.' };
  if (connection.welcome && !connection.welcome.recorder)
    return {
      title: 'This link is not valid any more',
      text: 'The replay was started anew since, with a new link: take the one that uxrec play has printed.',
    };
  return {
    title: 'This link is not valid',
    text: 'Its key is not known here. Ask the moderator for the present link; of a replay take the one that uxrec play has printed last.',
  };
}

export function refusalText(connection: Connection): string {
  const { title, text } = refusal(connection);
  return `${title}. ${text}`;
}
